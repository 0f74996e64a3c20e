/* Not bad: says what it was asked, so that a test sees that a call arrives whole. */
#include <stdio.h>

#include "bad.h"
static const baton_host* host;
static int32_t open_it(const baton_host* h, void** self) {
  host = h;
  return BATON_OK;
}
static int32_t drain(void* self, const baton_call* call, baton_result* result) {
  char text[200];
  snprintf(text, sizeof text, "flags %u target %s generation %llu", call->flags, call->target,
           (unsigned long long)call->generation);
  host->say(host->context, text);
  host->position(host->context, call->position);
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("repeats"), .open = open_it, .drain = drain};
