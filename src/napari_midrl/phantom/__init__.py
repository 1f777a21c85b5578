"""The digital patient: procedural anatomy seen through MR physics."""
