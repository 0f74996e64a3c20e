/* Writes to address 8. */

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  *(volatile int*)8 = 1;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("segfaults"), .probe = probe, .enter = probe};
