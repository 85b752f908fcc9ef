"""Prints an answer beside the reference's: demo_table.py ANSWER.json STAGES.safetensors REFERENCE.json. Exit code 1 if
they differ. Standard library only."""
import json
import struct
import sys


def last_row(path, name):
    """The last row of a float32 matrix in a .safetensors."""
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        tensor = json.loads(f.read(size))[name]
        columns = tensor["shape"][1]
        f.seek(8 + size + tensor["data_offsets"][1] - 4 * columns)
        return struct.unpack(f"<{columns}f", f.read(4 * columns))


def verdict(fine):
    return "yes" if fine else "NO"


def main():
    answer, reference = json.load(open(sys.argv[1])), json.load(open(sys.argv[3]))
    logits = last_row(sys.argv[2], "logits")
    ours, theirs = answer["tokens"], reference["tokens"]
    versions = ", ".join(f"{k} {v}" for k, v in reference["versions"].items())
    print(f"answer    {answer['text']!r}\nprompt    {answer['prompt_tokens']} tokens; the reference's {len(reference['prompt'])}")
    print(f"reference {versions}, float32\n")

    print("the five best tokens after the prompt\n  token   logit, medmo   logit, reference   difference")
    close = True
    for best in reference["best"]:
        t = best["token"]
        difference = logits[t] - best["logit"]
        close &= abs(difference) < 1e-4
        print(f"  {t:5}   {logits[t]:12.6f}   {best['logit']:16.6f}   {difference:10.1e}")

    print("\ngreedy answer\n  place   medmo   reference   equal   the reference's margin")
    same = 0
    for i in range(max(len(ours), len(theirs))):
        a, b = (x[i] if i < len(x) else "-" for x in (ours, theirs))
        same += a == b
        margin = f"{reference['margins'][i]:.4f}" if i < len(theirs) else "-"
        print(f"  {i:5}   {a:>5}   {b:>9}   {verdict(a == b):>5}   {margin:>22}")
    count = max(len(ours), len(theirs))
    print(f"\nequal: {same} of {count} tokens; logits within 1e-4: {verdict(close)}")
    t = answer["timings_ms"]
    print(f"load {t['load']:.0f} ms, vision {t['vision']:.0f} ms, prefill {t['prefill']:.0f} ms, decode {t['decode']:.0f} ms; "
          f"{answer['peak_memory_bytes'] / 1e6:.0f} MB of memory at most")
    sys.exit(same != count or not close or answer["prompt_tokens"] != len(reference["prompt"]))


if __name__ == "__main__":
    main()
