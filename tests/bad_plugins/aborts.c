/* abort() */
#include <stdlib.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) { abort(); }
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("aborts"), .probe = probe, .enter = probe};
