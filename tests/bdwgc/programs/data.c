/* A shared object whose data hold possible pointers, up to the last bytes of its data segment. */
#include <stddef.h>

void* cells[1280];
size_t cell_count = 1280;
