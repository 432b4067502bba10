# The flags that all of our own code is compiled with; never passed on to those who embed the library.
add_library(gcbarrier_warnings INTERFACE)
target_compile_options(gcbarrier_warnings INTERFACE -Wall -Wextra -Werror)
