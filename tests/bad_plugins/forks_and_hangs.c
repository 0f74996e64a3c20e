/* Leaves a child in its group, one in a session of its own, and the orphan of a daemon; then hangs. */
#include <unistd.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  if (fork() == 0)
    while (1) pause();
  if (fork() == 0) {
    setsid();
    while (1) pause();
  }
  if (fork() == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    while (1) pause();
  }
  while (1) pause();
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("forks_and_hangs"), .probe = probe, .enter = probe};
