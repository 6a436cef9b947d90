"""What an audit and a release gate look at: models, shadow models, the chain of records, bundles."""
