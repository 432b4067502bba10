// The library's version, and the inline namespace that keeps two versions in one process apart.
#ifndef GCBARRIER_VERSION_HPP
#define GCBARRIER_VERSION_HPP

#define GCBARRIER_VERSION_MAJOR 0
#define GCBARRIER_VERSION_MINOR 1
#define GCBARRIER_VERSION_PATCH 0

#define GCBARRIER_NAMESPACE_BEGIN \
  namespace gcbarrier {           \
  inline namespace v0_1 {
#define GCBARRIER_NAMESPACE_END \
  }                             \
  }

#endif
