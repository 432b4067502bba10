# Adds up what the test programs say in the log of `ctest --verbose`. Last line: "N passed, N failed", with
# ", N skipped" where there are any; before it the output of the tests that failed, and what was skipped and
# why. Exit status 1 on any failure.
#
# Every test program ends with "tally: P passed, F failed, S skipped". One that fails, crashes or times out
# without owning up to it counts as one failure, and so does one that ran nothing.

# "12: text": a line that test 12 printed.
match($0, /^[0-9]+: /) {
  id = substr($0, 1, RLENGTH - 2)
  text = substr($0, RLENGTH + 1)
  lines[id, ++printed[id]] = text
  if (text ~ /^SKIPPED: /) reasons[++reason_count] = substr(text, 10)
  if (match(text, /tally: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/)) {
    split(substr(text, RSTART), word, " ")
    counted[id] += word[2] + word[4] + word[6]
    failed_in[id] += word[4]
    passed += word[2]
    failed += word[4]
    skipped += word[6]
  }
}

# " 3/12 Test #12: name ....   Passed    0.02 sec"
/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
  match($0, /#[0-9]+/)
  id = substr($0, RSTART + 1, RLENGTH - 1)
  ++tests
  good = $0 ~ / Passed +[0-9.]+ sec/
  if (good && counted[id] > 0 && failed_in[id] == 0) next
  if (failed_in[id] == 0) ++failed
  sub(/^ *[0-9]+\/[0-9]+ /, "")
  print "\n" $0 (good && counted[id] == 0 ? " (no test case was counted)" : "")
  for (i = printed[id] > 200 ? printed[id] - 199 : 1; i <= printed[id]; ++i) print "  " lines[id, i]
}

/^[0-9]+% tests passed/ { finished = 1 }

END {
  if (!tests || !finished) {
    print "\nctest did not run to its end"
    ++failed
  }
  if (reason_count) print "\nskipped:"
  for (i = 1; i <= reason_count; ++i) print "  " reasons[i]
  print ""
  printf "%d passed, %d failed%s\n", passed, failed, skipped ? ", " skipped " skipped" : ""
  exit failed > 0
}
