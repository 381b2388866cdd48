# SPDX-License-Identifier: GPL-2.0
#
# Configuration for Sphinx. scripts/htmldocs calls it and sets KERNEL_SOURCE:
# the extensions that read kernel-doc comments are the kernel's own, taken from
# its source tree.

import os
import sys

kernel = os.environ["KERNEL_SOURCE"]
here = os.path.dirname(os.path.abspath(__file__))

# Newer kernels' kerneldoc looks for its modules in $srctree.
os.environ["srctree"] = kernel
sys.path.insert(0, os.path.join(kernel, "Documentation", "sphinx"))

extensions = ["kerneldoc", "automarkup"]
kerneldoc_bin = os.path.join(kernel, "scripts", "kernel-doc")
kerneldoc_srctree = os.path.dirname(here)
kerneldoc_verbosity = 1

project = "io_pgtable_safe"
exclude_patterns = ["output"]
highlight_language = "none"
smartquotes_action = "qe"  # not dashes: they are options of commands
primary_domain = "c"

# What the C domain takes for a name or cannot parse.
c_id_attributes = ["__must_check"]

# A reference to something of this project must lead somewhere. What belongs to
# the kernel is documented there.
nitpicky = True
nitpick_ignore_regex = [(r"c:.*", r"(?!.*io_pgtable_safe).*")]

html_theme = "alabaster"
html_theme_options = {
    "description": "A checked interface to io-pgtable for GPU drivers",
    "fixed_sidebar": True,
    "sidebar_width": "16em",
    "page_width": "72em",
    "body_max_width": "54em",
    "show_powered_by": False,
}
html_static_path = ["static"]
html_css_files = ["style.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
