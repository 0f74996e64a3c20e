/* A status that does not exist. */

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  result->state = BATON_STATE_PASS;
  return 99;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("garbage_status"), .probe = probe, .enter = probe};
