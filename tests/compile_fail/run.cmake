# Compiles one case twice. As it stands it must not compile, and the compiler must say what `// expect: ...` lines say;
# with SHOULD_COMPILE defined it must compile, so that nothing but the one mistake is what is refused.
# `// flags: ...` adds flags to the first.   cmake -DCOMPILER=... -DFLAGS=<response file> -DCASE=... -P run.cmake
function(compile result output)
  execute_process(COMMAND "${COMPILER}" "@${FLAGS}" -fsyntax-only ${ARGN} "${CASE}" RESULT_VARIABLE status
                  OUTPUT_VARIABLE text ERROR_VARIABLE text)
  set(${result} "${status}" PARENT_SCOPE)
  set(${output} "${text}" PARENT_SCOPE)
endfunction()

function(fail text)
  message("${CASE}: ${text}")  # as it stands; FATAL_ERROR would wrap the compiler's lines
  message(FATAL_ERROR "compile_fail")
endfunction()

file(STRINGS "${CASE}" expected REGEX "^// expect: ")
file(STRINGS "${CASE}" flags REGEX "^// flags: ")
list(TRANSFORM expected REPLACE "^// expect: " "")
string(REGEX REPLACE "^// flags: " "" flags "${flags}")
separate_arguments(flags)
if(NOT expected)
  fail("has no line `// expect: ...`")
endif()

compile(status output -DSHOULD_COMPILE)
if(NOT status EQUAL 0)
  fail("the twin must compile, but:\n${output}")
endif()

compile(status output ${flags})
if(status EQUAL 0)
  fail("compiles, and must not")
endif()
foreach(text IN LISTS expected)
  string(FIND "${output}" "${text}" found)
  if(found EQUAL -1)
    fail("expected the message to contain\n  ${text}\nfound\n${output}")
  endif()
endforeach()
