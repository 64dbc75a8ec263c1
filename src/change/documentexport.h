/*-------------------------------------------------------------------------
 *
 * documentexport.h
 *	  Exporting documents.
 *
 *-------------------------------------------------------------------------
 */
#ifndef INSTANCE_FEATURES_DOCUMENTEXPORT_H
#define INSTANCE_FEATURES_DOCUMENTEXPORT_H

#include "utils/jsonb.h"

extern Jsonb *documentexport(bool users);

#endif							/* INSTANCE_FEATURES_DOCUMENTEXPORT_H */
