/* Back 100 ms after its deadline. */
#include <poll.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  poll(0, 0, (int)(call->timeout_ns / 1000000) + 100);
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("answers_late"), .probe = probe, .enter = probe};
