# An MCP server over standard input and output, for the stories: it greets, and goes wrong as it is asked to.
# It answers each line of a request with one line, the way the shell can: no JSON is parsed but for the id and the tool.
calls=0
echo "listening" >&2
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
said() { answer "{\"content\":[{\"type\":\"text\",\"text\":\"$1\"}]}"; }
tool() { printf '{"name":"%s","description":"%s","inputSchema":{"type":"object"}}' "$1" "$2"; }

while IFS= read -r line; do
  id=${line#*\"id\":}
  id=${id%%[,\}]*}
  case $line in
    *'"method":"initialize"'*)
      if [ "$1" = mute ]; then exec sleep 600; fi
      if [ "$1" = broken ]; then echo "no license" >&2; exit 3; fi
      answer '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"shell","version":"1"}}' ;;
    *'"method":"tools/list"'*)
      answer "{\"tools\":[$(tool greet Greets.),$(tool environment 'Names its variables.'),$(tool crash Ends.),$(tool hang Waits.),$(tool flood Writes.),$(tool refuse Fails.)]}" ;;
    *'"method":"tools/call"'*)
      calls=$((calls + 1))
      case $line in
        *'"name":"greet"'*) said "hello from $$, call $calls, of $1" ;;
        *'"name":"environment"'*) said "$(env | tr '\n"\\' '   ')" ;;
        *'"name":"crash"'*) echo "out of luck" >&2; exit 3 ;;
        *'"name":"hang"'*) ;;
        *'"name":"flood"'*) exec cat /dev/zero ;;
        *) answer '{"isError":true,"content":[{"type":"text","text":"I will not."}]}' ;;
      esac ;;
  esac
done
