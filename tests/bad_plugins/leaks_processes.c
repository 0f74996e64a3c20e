/* Leaves twenty processes at each probe, in sessions of their own, their parents gone. */
#include <unistd.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  for (int i = 0; i < 20; ++i) {
    if (fork() != 0) continue;
    setsid();
    if (fork() != 0) _exit(0);
    while (1) pause();
  }
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("leaks_processes"), .probe = probe, .enter = probe};
