"""What an audit and a release gate look at: models, shadow models, records, bundles."""
