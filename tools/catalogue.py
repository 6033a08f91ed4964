"""The recipes -> training/recipes/catalogue.json, which `training recipes` lists.

python tools/catalogue.py
"""

import json

from training.catalogue import PATH
from training.recipes import listing

if __name__ == "__main__":
    PATH.write_text(json.dumps(listing(), indent=1, ensure_ascii=False) + "\n", "utf-8")
