"""A stand-in for llama.cpp's converters: takes the same words, writes a file that begins like a GGUF."""

SCRIPT = """
import argparse, pathlib, sys
parser = argparse.ArgumentParser()
parser.add_argument("model", type=pathlib.Path)
parser.add_argument("--outfile", type=pathlib.Path, required=True)
parser.add_argument("--outtype", choices=["f32", "f16", "bf16"], required=True)
if "lora" in sys.argv[0]:
    parser.add_argument("--base", type=pathlib.Path, required=True)
args = parser.parse_args()
if not args.model.is_dir():
    sys.exit("there is no such model")
args.outfile.write_bytes(b"GGUF" + args.outtype.encode())
"""
