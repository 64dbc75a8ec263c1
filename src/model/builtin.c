/*-------------------------------------------------------------------------
 *
 * builtin.c
 *	  The built-in features.
 *
 * The rule: built-in features are constants, not rows, so that a restored dump
 * and the initial copy of a subscription cannot collide with them.  Their
 * descriptions are those of the service's API page.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "model/builtin.h"

const BuiltinFeature builtin_feature_table[NUM_BUILTIN_FEATURES] =
{
	{"login_default_org", "loginDefaultOrg",
		"The login UI will use the settings of the default org (and not from "
	"the instance) if no organization context is set"},
	{"oidc_legacy_introspection", "oidcLegacyIntrospection",
		"We have recently refactored the introspection endpoint for "
		"performance reasons. This feature can be used to rollback to the "
		"legacy implementation if unexpected bugs arise. Please raise an "
	"issue if you needed to enable this feature."},
	{"oidc_token_exchange", "oidcTokenExchange",
		"Enable the experimental "
		"urn:ietf:params:oauth:grant-type:token-exchange grant type for the "
		"OIDC token endpoint. Token exchange can be used to request tokens "
		"with a lesser scope or impersonate other users. See the security "
	"policy to allow impersonation on an instance."},
	{"oidc_trigger_introspection_projections",
		"oidcTriggerIntrospectionProjections",
		"Enable projection triggers during an introspection request. This can "
		"act as workaround if there are noticeable consistency issues in the "
		"introspection response but can have an impact on performance. We are "
		"planning to remove triggers for introspection requests in the "
	"future. Please raise an issue if you needed to enable this feature."},
	{"user_schema", "userSchema",
		"User Schemas allow to manage data schemas of user. If the flag is "
		"enabled, you'll be able to use the new API and its features. Note "
	"that it is still in an early stage."}
};

/*
 * Return whether a built-in feature has this key.
 */
bool
builtin_is_key(const char *key)
{
	for (int i = 0; i < NUM_BUILTIN_FEATURES; i++)
	{
		if (strcmp(builtin_feature_table[i].key, key) == 0)
			return true;
	}

	return false;
}
