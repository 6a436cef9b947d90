# Thin entry point: the workflow itself is in workflow/Snakefile, where catalogues and modules
# look for it.
include: "workflow/Snakefile"


# an included Snakefile never supplies the default target
workflow.default_target = "all"
