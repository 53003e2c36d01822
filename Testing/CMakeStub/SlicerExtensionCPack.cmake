# What the extension says of itself, on one line each.
foreach(
  variable
  NAME CATEGORY HOMEPAGE ICONURL SCREENSHOTURLS CONTRIBUTORS DESCRIPTION DEPENDS RECOMMENDS KEYWORDS
  )
  string(REPLACE "\n" " " value "${EXTENSION_${variable}}")
  file(APPEND ${RECORD_FILE} "EXTENSION_${variable}=${value}\n")
endforeach()
