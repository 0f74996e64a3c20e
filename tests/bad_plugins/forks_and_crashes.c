/* Leaves children and crashes. */
#include <stdlib.h>
#include <unistd.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  if (fork() == 0)
    while (1) pause();
  if (fork() == 0) {
    setsid();
    while (1) pause();
  }
  abort();
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("forks_and_crashes"), .probe = probe,
                                                          .enter = probe};
