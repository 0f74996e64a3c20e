/* Made for an interface that this Baton does not know. */
#include "bad.h"
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v2 = {BAD_HEAD("wrong_major")};
