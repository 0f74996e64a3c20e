/* Fills the page with 0xFF from a thread that goes on a little after the call. */
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "bad.h"
static void* spoil(void* page) {
  poll(0, 0, 50);
  memset(page, 0xFF, 8192);
  return NULL;
}
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  void* page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);
  pthread_t thread;
  if (page != MAP_FAILED && pthread_create(&thread, NULL, spoil, page) == 0) pthread_detach(thread);
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("garbage_page"), .probe = probe, .enter = probe};
