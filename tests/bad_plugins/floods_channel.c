/* Answers a thousand times what nobody asked. */
#include <string.h>
#include <sys/socket.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  char junk[64];
  memset(junk, 'x', sizeof junk);
  for (int i = 0; i < 1000; ++i) send(4, junk, sizeof junk, MSG_DONTWAIT | MSG_NOSIGNAL);
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("floods_channel"), .probe = probe, .enter = probe};
