"""What a submission is graded on, by name, and the words of its grade."""

RIGHT, WRONG, NOT_JUDGED = "right", "wrong", "not judged"

CRITERIA = {
    "runs": "it runs, and is a loop by hand",
    "first_loss": "the first batch's loss",
    "gradients": "the gradients",
    "updates": "the updates",
    "rows": "all rows, in the order of .fit",
    "short_batch": "the short last batch",
    "reports": "the reported losses",
    "final_weights": "the final weights",
}
