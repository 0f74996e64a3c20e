/* A state and a role that do not exist. */

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  result->state = 7;
  result->role = 9;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("garbage_state"), .probe = probe, .enter = probe};
