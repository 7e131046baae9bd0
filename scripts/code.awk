# What scripts/check-circles and scripts/check-dead-code share. Before a file, set comments = 0, quote = "" and
# inserted = 0.

# A line without comments and texts; what is inserted in a text stays.
function code(line,    out, rest, at, mark) {
  out = ""
  while (line != "") {
    if (comments > 0) {
      if (!match(line, /\/\*|\*\//)) return out
      comments += substr(line, RSTART, 2) == "/*" ? 1 : -1
      line = substr(line, RSTART + 2)
    } else if (quote != "") {
      # Up to the end of the text, or to something inserted.
      at = index(line, quote)
      mark = match(line, /\\./) ? RSTART : 0
      if (mark > 0 && (at == 0 || mark < at)) {
        if (substr(line, mark + 1, 1) == "(") {
          inserted++
          kept[inserted] = quote
          depth[inserted] = 0
          quote = ""
          out = out " "
        }
        line = substr(line, mark + 2)
      } else if (at > 0) {
        line = substr(line, at + length(quote))
        quote = ""
        out = out " "
      } else {
        # Only texts of several lines go on in the next.
        if (quote == "\"") quote = ""
        return out
      }
    } else if (match(line, inserted > 0 ? "\"\"\"|\"|//|/[*]|[()]" : "\"\"\"|\"|//|/[*]")) {
      mark = substr(line, RSTART, RLENGTH)
      out = out substr(line, 1, RSTART - 1)
      line = substr(line, RSTART + RLENGTH)
      if (mark == "//") return out
      if (mark == "/*") comments = 1
      else if (mark == "(") { depth[inserted]++; out = out mark }
      else if (mark == ")") {
        if (depth[inserted]-- > 0) out = out mark
        else quote = kept[inserted--]
      } else quote = mark
    } else {
      return out line
    }
  }
  return out
}
