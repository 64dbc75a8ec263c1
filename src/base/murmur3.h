/*-------------------------------------------------------------------------
 *
 * murmur3.h
 *	  The hash function MurmurHash3_x86_32.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_MURMUR3_H
#define INSTANCE_FEATURES_MURMUR3_H

extern uint32 murmur3_x86_32(const void *data, Size length, uint32 seed);

#endif							/* INSTANCE_FEATURES_MURMUR3_H */
