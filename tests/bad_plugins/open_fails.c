/* Cannot be opened the first two times. */
#include "bad.h"
static int tries;
static int32_t open_it(const baton_host* h, void** self) {
  if (++tries < 3) {
    h->say(h->context, "the license file is missing");
    return BATON_CONFIG;
  }
  return BATON_OK;
}
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("open_fails"), .open = open_it, .probe = probe};
