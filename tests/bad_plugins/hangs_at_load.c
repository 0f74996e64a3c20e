/* Hangs in its constructor. */
#include <unistd.h>

#include "bad.h"
__attribute__((constructor)) static void hang(void) {
  while (1) pause();
}
static int32_t probe(void* self, const baton_call* call, baton_result* result) { return BATON_OK; }
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("hangs_at_load"), .probe = probe};
