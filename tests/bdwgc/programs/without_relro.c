/* without_relro OBJECT: makes the shared object one without a part that is read-only after relocation. What
 * that part begins with, inside of a page, libgc then takes for the beginning of a root. (Asked not to make
 * the part, Debian's linker lays the data out so that nothing is to be seen; others do not.) */
#include <elf.h>
#include <stdio.h>

int main(int argc, char** argv) {
  FILE* object = argc == 2 ? fopen(argv[1], "r+b") : NULL;
  Elf64_Ehdr header;
  if (object == NULL || fread(&header, sizeof header, 1, object) != 1) return 2;
  for (int i = 0; i < header.e_phnum; ++i) {
    const long at = (long)(header.e_phoff + (unsigned)i * sizeof(Elf64_Phdr));
    Elf64_Phdr segment;
    if (fseek(object, at, SEEK_SET) != 0 || fread(&segment, sizeof segment, 1, object) != 1) return 2;
    if (segment.p_type != PT_GNU_RELRO) continue;
    segment.p_type = PT_NULL;
    if (fseek(object, at, SEEK_SET) != 0 || fwrite(&segment, sizeof segment, 1, object) != 1) return 2;
    return fclose(object) == 0 ? 0 : 2;
  }
  return 1;
}
