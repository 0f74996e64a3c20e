/* Its position is one byte too long: half of it would be the position of something else. */
#include <string.h>

#include "bad.h"
static const baton_host* host;
static int32_t open_it(const baton_host* h, void** self) {
  host = h;
  return BATON_OK;
}
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  char text[1025];
  memset(text, 'a', 1024);
  text[1024] = 0;
  host->position(host->context, text);
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("long_position"), .open = open_it, .probe = probe};
