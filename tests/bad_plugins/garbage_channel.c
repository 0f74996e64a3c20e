/* Writes something that is no answer before its answer. */
#include <sys/socket.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  send(4, "rubbish", 7, MSG_NOSIGNAL);
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("garbage_channel"), .probe = probe, .enter = probe};
