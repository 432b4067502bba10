// A file descriptor that is kept for the whole life of a tracker, while the program may close it by mistake.
#ifndef GCBARRIER_KERNEL_LASTING_DESCRIPTOR_HPP
#define GCBARRIER_KERNEL_LASTING_DESCRIPTOR_HPP

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "../version.hpp"
#include "descriptor.hpp"
#include "system_calls.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel {

// Daemons and launchers close all descriptors that they do not know, and then the number may be another
// file's. So this one remembers which file it opened and closes nothing else. Each userfaultfd has an inode
// of its own; two opens of the same file in /proc cannot be told apart. Where fstat is forbidden it takes the
// number's word.
class lasting_descriptor {
 public:
  lasting_descriptor() = default;
  lasting_descriptor(system_calls calls, int number) : calls_(calls), opened_(calls, number) {
    struct stat answer {};
    if (look(answer) < 0) return;
    known_ = true;
    device_ = answer.st_dev;
    inode_ = answer.st_ino;
  }
  lasting_descriptor(lasting_descriptor&& other) noexcept = default;
  lasting_descriptor& operator=(lasting_descriptor&& other) noexcept {
    std::swap(calls_, other.calls_);
    std::swap(opened_, other.opened_);
    std::swap(known_, other.known_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
    return *this;
  }
  lasting_descriptor(const lasting_descriptor&) = delete;
  lasting_descriptor& operator=(const lasting_descriptor&) = delete;
  ~lasting_descriptor() {
    if (!intact()) opened_.release();
  }

  [[nodiscard]] int number() const { return opened_.number(); }
  // Gives it up without closing.
  void abandon() { opened_.release(); }
  // Whether the number still is the file that was opened. Makes a system call.
  [[nodiscard]] bool intact() const {
    if (number() < 0) return false;
    if (!known_) return true;
    struct stat now {};
    const long answer = look(now);
    if (answer < 0) return answer != -EBADF;
    return now.st_dev == device_ && now.st_ino == inode_;
  }

 private:
  long look(struct stat& answer) const { return calls_.call(SYS_fstat, number(), &answer); }

  system_calls calls_;
  descriptor opened_;
  bool known_ = false;  // what follows
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace kernel

GCBARRIER_NAMESPACE_END

#endif
