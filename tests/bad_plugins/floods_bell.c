/* Rings as fast as it can and writes over the page, in a thread that goes on between calls. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static void* flood(void* none) {
  unsigned char* page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);
  const uint64_t one = 1;
  for (unsigned i = 0;; ++i) {
    if (page != MAP_FAILED) page[i % 8192] ^= (unsigned char)i;
    write(5, &one, sizeof one);
  }
}
#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  pthread_t thread;
  pthread_create(&thread, 0, flood, 0);
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("floods_bell"), .probe = probe, .enter = probe};
