"""Tasks of the recipes, one a file: data, scores, baselines and pictures."""
