/* old_kernel PROGRAM ARGUMENTS...: runs it as on a kernel that does not know asynchronous userfaultfd. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char** argv) {
  /* UFFDIO_API, the second argument of ioctl, of which the kernel takes 32 bits. */
  const struct scmp_arg_cmp handshake = {1, SCMP_CMP_MASKED_EQ, 0xffffffff, 0xc018aa3f};
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  if (argc < 2 || filter == NULL ||
      seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(ioctl), 1, &handshake) != 0 ||
      seccomp_load(filter) != 0) {
    fputs("old_kernel: cannot\n", stderr);
    return 2;
  }
  execvp(argv[1], argv + 1);
  return 127;
}
