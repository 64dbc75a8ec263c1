/*-------------------------------------------------------------------------
 *
 * murmur3.c
 *	  The hash function MurmurHash3_x86_32.
 *
 * The rule: the result is the published one on every machine.  It decides who
 * takes part in a roll-out, and so must never change: blocks are read as
 * little-endian numbers, and all arithmetic is modulo 2^32.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/murmur3.h"

static inline uint32
rotate_left(uint32 word, int bits)
{
	return (word << bits) | (word >> (32 - bits));
}

static inline uint32
scramble(uint32 block)
{
	return rotate_left(block * 0xcc9e2d51, 15) * 0x1b873593;
}

/* Return a block of "length" bytes, from 0 to 4, as a number. */
static inline uint32
read_block(const uint8 * bytes, int length)
{
	uint32		block = 0;

	for (int i = 0; i < length; i++)
		block |= (uint32) bytes[i] << (8 * i);
	return block;
}

/*
 * Return the hash of "length" bytes.
 */
uint32
murmur3_x86_32(const void *data, Size length, uint32 seed)
{
	const		uint8 *bytes = data;
	uint32		hash = seed;
	Size		i;

	for (i = 0; i + 4 <= length; i += 4)
	{
		hash ^= scramble(read_block(bytes + i, 4));
		hash = rotate_left(hash, 13) * 5 + 0xe6546b64;
	}
	hash ^= scramble(read_block(bytes + i, (int) (length - i)));

	hash ^= (uint32) length;
	hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
	hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
	return hash ^ (hash >> 16);
}
