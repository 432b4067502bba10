# Plain comments to doxygen's: the first of a file is about the file, rulers are dropped, one before a
# declaration or after a member is about that.
1s,^// ,/// @file\n/// ,
/^ *\/\/ ----/d
s,^( *)//( |$),\1///\2,
s,([;\,{]) +// ,\1  ///< ,
