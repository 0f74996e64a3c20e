/* Crashes in its constructor, so also under `batonctl check`. */
#include <stdlib.h>

#include "bad.h"
__attribute__((constructor)) static void crash(void) { abort(); }
static int32_t probe(void* self, const baton_call* call, baton_result* result) { return BATON_OK; }
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("crashes_at_load"), .probe = probe};
