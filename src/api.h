/*-------------------------------------------------------------------------
 *
 * api.h
 *	  The functions that other extensions call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef IF_API_H
#define IF_API_H

extern void api_init(void);

#endif							/* IF_API_H */
