/* Fills the page with 0xFF from a child that outlives the call by a little. */
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  unsigned char* page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);
  if (fork() == 0) {
    poll(0, 0, 50);
    if (page != MAP_FAILED) memset(page, 0xFF, 8192);
    _exit(0);
  }
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("garbage_page"), .probe = probe, .enter = probe};
