/* Leaves without a word and without atexit. */
#include <unistd.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) { _exit(0); }
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("exits_hard"), .probe = probe, .enter = probe};
