/* Calls exit(0), as if all were done. */
#include <stdlib.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) { exit(0); }
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("exits"), .probe = probe, .enter = probe};
