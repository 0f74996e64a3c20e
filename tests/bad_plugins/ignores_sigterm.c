/* Hangs, and so does its child, and both will not hear of SIGTERM. */
#include <signal.h>
#include <unistd.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  signal(SIGTERM, SIG_IGN);
  fork();
  while (1) pause();
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("ignores_sigterm"), .probe = probe, .enter = probe};
