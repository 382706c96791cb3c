"""Train models: LightningCLI, runs, cross-validation."""
