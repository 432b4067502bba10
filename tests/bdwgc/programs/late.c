/* late PLUGIN: a program without libgc that loads a plugin which has it. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char** argv) {
  void* plugin = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW | RTLD_LOCAL);
  int (*run)(void) = plugin == NULL ? NULL : (int (*)(void))dlsym(plugin, "run");
  if (run == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  return run();
}
