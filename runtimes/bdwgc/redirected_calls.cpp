#include "redirected_calls.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdarg>

#include "adapter.hpp"

namespace bdwgc {

namespace {

// ---- memory ----

void* on_mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  void* const got = ::mmap(address, bytes, protection, flags, file, offset);
  constexpr int writable = PROT_READ | PROT_WRITE;
  // A fixed mapping takes the place of heap that libgc gives back; the tracker notices by itself.
  if (got != MAP_FAILED && (protection & writable) == writable && (flags & MAP_ANONYMOUS) != 0 &&
      (flags & MAP_FIXED) == 0) {
    current()->pages.add_memory(
        gcbarrier::address_range(got, bytes).widened_to(gcbarrier::kernel::page_size()));
  }
  return got;
}

unsigned on_new_kind(void** free_list, GC_word descriptor, int adjust, int clear) {
  const unsigned kind = current()->libgc.new_kind_inner(free_list, descriptor, adjust, clear);
  current()->pages.add_kind(kind, descriptor);
  return kind;
}

// ---- files ----

int on_open(const char* path, int flags, ...) {
  const int ours = current()->files.open(path);
  if (ours >= 0) return ours;
  va_list rest;
  va_start(rest, flags);
  const unsigned mode = (flags & O_CREAT) != 0 ? va_arg(rest, unsigned) : 0;
  va_end(rest);
  return ::open(path, flags, mode);
}

// What a libgc that was built with _FORTIFY_SOURCE calls.
int on_open_2(const char* path, int flags) {
  const int ours = current()->files.open(path);
  return ours >= 0 ? ours : ::open(path, flags);
}

int on_fcntl(int file, int command, ...) {
  if (proc_files::has(file)) return 0;
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  return ::fcntl(file, command, argument);
}

off_t on_lseek(int file, off_t offset, int whence) {
  return proc_files::has(file) ? current()->files.seek(file, offset, whence) : ::lseek(file, offset, whence);
}

ssize_t on_read(int file, void* to, std::size_t bytes) {
  return proc_files::has(file) ? current()->files.read(file, to, bytes) : ::read(file, to, bytes);
}

ssize_t on_write(int file, const void* from, std::size_t bytes) {
  return proc_files::has(file) ? current()->files.write(file, from, bytes) : ::write(file, from, bytes);
}

int on_close(int file) {
  return proc_files::has(file) ? 0 : ::close(file);
}

// Replaces the slot, if the library has one.
template <class F>
bool replace(const loaded_object& library, const char* function, F replacement) {
  return !library.calls(function) || library.redirect(function, reinterpret_cast<void*>(replacement));
}

}  // namespace

bool redirect_memory_calls(const loaded_object& libgc) {
  return replace(libgc, "mmap", &on_mmap) && replace(libgc, "mmap64", &on_mmap) &&
         replace(libgc, "GC_new_kind_inner", &on_new_kind);
}

bool redirect_file_calls(const loaded_object& libgc) {
  return replace(libgc, "open", &on_open) && replace(libgc, "open64", &on_open) &&
         replace(libgc, "__open_2", &on_open_2) && replace(libgc, "__open64_2", &on_open_2) &&
         replace(libgc, "fcntl", &on_fcntl) && replace(libgc, "fcntl64", &on_fcntl) &&
         replace(libgc, "lseek", &on_lseek) && replace(libgc, "lseek64", &on_lseek) &&
         replace(libgc, "read", &on_read) && replace(libgc, "write", &on_write) &&
         replace(libgc, "close", &on_close);
}

}  // namespace bdwgc
