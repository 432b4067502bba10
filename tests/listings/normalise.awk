# objdump --disassemble --reloc --no-show-raw-insn of one object file -> the instructions of each function in it, one function
# after the other under a line "NAME:", without what depends on where things lie: addresses are gone, jumps name the
# number of the instruction that they go to or "slow" for what is out of line, and the barrier's own fields are all
# called "field".
function flush(  i) {
  if (name == "") return
  print name ":"
  for (i = 1; i <= count; ++i) {
    if (match(text[i], /^j[a-z]+ +[0-9a-f]+ <[^>]*>/)) {
      split(text[i], words, " ")
      text[i] = words[1] " " number[words[2]]
    }
    printf "%3d %s\n", i, text[i]
  }
  name = ""
}
/^[0-9a-f]+ <.*>:$/ {
  flush()
  name = substr($2, 2, length($2) - 3)
  if (name !~ /^barrier_[a-z_]+$/) name = ""
  count = 0
  delete number
}
name != "" && /^ +[0-9a-f]+:\t/ {
  line = $0
  sub(/^ +/, "", line)
  colon = index(line, ":")
  address = substr(line, 1, colon - 1)
  line = substr(line, colon + 2)
  gsub(/ +/, " ", line)
  sub(/\t[0-9a-f]+: R_X86_64_TPOFF32.*/, "", line)
  sub(/ +$/, "", line)
  if (line ~ /^(nop|data16|cs nop|xchg %ax,%ax)/) next
  gsub(/(0x[0-9a-f]+)?\(%rdi\)/, "field(%rdi)", line)
  gsub(/%fs:0x[0-9a-f]+/, "%fs:place", line)
  text[++count] = line
  number[address] = count
}
name != "" && /R_X86_64_(PLT|PC)32/ && text[count] ~ /^(j|call)/ { sub(/ .*/, " slow", text[count]) }
END { flush() }
