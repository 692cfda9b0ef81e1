"""The wire contract with devices: schemas and register tables, from which codecs are generated. No I/O."""
