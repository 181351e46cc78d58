"""What each step left: counts from the ledger, table and picture, beside the paper."""
