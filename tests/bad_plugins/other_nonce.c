/* Answers for another act: a well-formed answer whose number is not that of the request. */
#include <string.h>
#include <sys/socket.h>

#include "bad.h"
static int32_t enter(void* self, const baton_call* call, baton_result* result) {
  unsigned char answer[68];
  memset(answer, 0, sizeof answer);
  memcpy(answer, "BPA2", 4); /* magic; then the number 0x5555..., status and role 0, six numbers 0, no texts */
  memset(answer + 4, 0x55, 8);
  send(4, answer, sizeof answer, MSG_NOSIGNAL);
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("other_nonce"), .enter = enter};
